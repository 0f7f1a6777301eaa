// The file written_by_root.root beside this one, with ROOT 6.40: root -l -b -q written_by_root.C
// Every value follows from the number of its event; test_written_by_root.py knows how.
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <TFile.h>
#include <TTree.h>
#include <ROOT/TIOFeatures.hxx>

#include <optional>
#include <string>
#include <vector>

using namespace ROOT;
using Type = ENTupleColumnType;

template <typename T>
std::shared_ptr<T> add(RNTupleModel &model, const char *name, RFieldBase::ColumnRepresentation_t type)
{
   auto field = std::make_unique<RField<T>>(name);
   if (!type.empty())
      field->SetColumnRepresentatives({type});
   model.AddField(std::move(field));
   return model.GetDefaultEntry().GetPtr<T>(name);
}

void ntuple(TFile &file)
{
   auto model = RNTupleModel::Create();
   auto run = add<std::uint32_t>(*model, "run", {});
   auto event = add<std::uint64_t>(*model, "event", {});
   auto i8 = add<std::int8_t>(*model, "i8", {});
   auto u8 = add<std::uint8_t>(*model, "u8", {});
   auto i16 = add<std::int16_t>(*model, "i16", {});
   auto u16 = add<std::uint16_t>(*model, "u16", {});
   auto i32 = add<std::int32_t>(*model, "i32", {});
   auto i64 = add<std::int64_t>(*model, "i64", {});
   auto flag = add<bool>(*model, "flag", {});
   auto f64 = add<double>(*model, "f64", {});
   auto plain = add<float>(*model, "plain", {Type::kReal32});
   auto half = add<float>(*model, "half", {Type::kReal16});
   std::vector<std::shared_ptr<float>> cut, steps;
   for (auto bits : {10, 17, 31}) {
      auto name = "trunc" + std::to_string(bits);
      auto field = std::make_unique<RField<float>>(name);
      field->SetTruncated(bits);
      model->AddField(std::move(field));
      cut.push_back(model->GetDefaultEntry().GetPtr<float>(name));
   }
   for (auto bits : {1, 7, 12, 32}) {
      auto name = "quant" + std::to_string(bits);
      auto field = std::make_unique<RField<float>>(name);
      field->SetQuantized(-2.0, 6.0, bits);
      model->AddField(std::move(field));
      steps.push_back(model->GetDefaultEntry().GetPtr<float>(name));
   }
   auto jet_pt = add<std::vector<float>>(*model, "Jet_pt", {});
   auto jet_flag = add<std::vector<bool>>(*model, "Jet_flag", {Type::kIndex32});
   auto jet_id = add<std::vector<std::int32_t>>(*model, "Jet_id", {Type::kSplitIndex32});
   auto jet_u64 = add<std::vector<std::uint64_t>>(*model, "Jet_u64", {Type::kIndex64});
   {
      auto field = std::make_unique<RField<float>>("switched");
      field->SetColumnRepresentatives({{Type::kSplitReal32}, {Type::kReal16}});
      model->AddField(std::move(field));
      auto list = std::make_unique<RField<std::vector<float>>>("Switched_list");
      list->SetColumnRepresentatives({{Type::kSplitIndex64}, {Type::kIndex32}});
      model->AddField(std::move(list));
   }
   auto switched = model->GetDefaultEntry().GetPtr<float>("switched");
   auto switched_list = model->GetDefaultEntry().GetPtr<std::vector<float>>("Switched_list");
   auto text = add<std::string>(*model, "text", {});
   auto maybe = add<std::optional<float>>(*model, "maybe", {});
   auto nested = add<std::vector<std::vector<float>>>(*model, "nested", {});
   model->AddProjectedField(std::make_unique<RField<RNTupleCardinality<std::uint32_t>>>("nJet"),
                            [](const std::string &) { return std::string("Jet_pt"); });
   RNTupleWriteOptions options;
   options.SetCompression(505);
   options.SetInitialUnzippedPageSize(32);
   options.SetMaxUnzippedPageSize(128);
   auto writer = RNTupleWriter::Append(std::move(model), "Events", file, options);
   std::shared_ptr<float> late;
   std::shared_ptr<std::vector<std::int16_t>> late_list;
   for (int k = 0; k < 150; ++k) {
      if (k == 75) { // in the middle of a cluster
         auto updater = writer->CreateModelUpdater();
         updater->BeginUpdate();
         updater->AddField(std::make_unique<RField<float>>("late"));
         updater->AddField(std::make_unique<RField<std::vector<std::int16_t>>>("late_list"));
         updater->CommitUpdate();
         late = writer->GetModel().GetDefaultEntry().GetPtr<float>("late");
         late_list = writer->GetModel().GetDefaultEntry().GetPtr<std::vector<std::int16_t>>("late_list");
      }
      *run = 1 + k / 40;
      *event = k * 10000000000ull;
      *i8 = *u8 = k * 3;
      *i16 = (k % 2 ? -1 : 1) * k * 200;
      *u16 = k * 400;
      *i32 = (k % 2 ? -1 : 1) * k * 1000003;
      *i64 = (k % 2 ? -1ll : 1ll) * k * 100000000007ll;
      *flag = k % 3 == 1;
      *f64 = k / 7.0;
      *plain = k / 7.0;
      *half = k * 0.25;
      for (auto &x : cut)
         *x = (k - 60) / 7.0;
      for (auto &x : steps)
         *x = -2.0 + 8.0 * k / 149;
      int n = k % 50 == 0 ? 0 : k % 4;
      jet_pt->clear(), jet_flag->clear(), jet_id->clear(), jet_u64->clear(), switched_list->clear(), nested->clear();
      for (int j = 0; j < n; ++j) {
         jet_pt->push_back(k + j / 8.0);
         jet_flag->push_back((k + j) % 2);
         jet_id->push_back(j - k);
         jet_u64->push_back(k * 1000ull + j);
         switched_list->push_back(k * 4 + j);
         nested->push_back({k + 0.5f, float(j)});
      }
      *switched = k * 0.5;
      *text = "event " + std::to_string(k);
      if (k % 3)
         *maybe = k;
      else
         maybe->reset();
      if (late) {
         *late = k * 2;
         late_list->assign(k % 3, k);
      }
      writer->Fill();
      if (k % 50 == 49) {
         writer->CommitCluster(k == 99); // two groups of clusters
         for (auto name : {"switched", "Switched_list"})
            Internal::RFieldRepresentationModifier::SetPrimaryColumnRepresentation(
               const_cast<RFieldBase &>(writer->GetModel().GetConstField(name)), k == 49);
      }
   }
}

// Lists whose baskets have no tables of offsets, and end elsewhere than those of the branch that counts.
void tree(TFile &file)
{
   TTree tree("Tree", "Tree");
   TIOFeatures features;
   features.Set("kGenerateOffsetMap");
   tree.SetIOFeatures(features);
   tree.SetAutoFlush(100);
   int n;
   float pt[4];
   double wide[4];
   unsigned char u8[4];
   tree.Branch("nMuon", &n, "nMuon/I", 2000);
   tree.Branch("Muon_pt", pt, "Muon_pt[nMuon]/F", 300);
   tree.Branch("Muon_wide", wide, "Muon_wide[nMuon]/D", 700);
   tree.Branch("Muon_u8", u8, "Muon_u8[nMuon]/b", 200);
   for (int k = 0; k < 250; ++k) {
      n = k % 7 == 0 ? 0 : k % 5;
      for (int j = 0; j < n; ++j) {
         pt[j] = k + j / 8.0;
         wide[j] = k * 3 + j;
         u8[j] = k + j;
      }
      tree.Fill();
   }
   tree.Write();
}

void written_by_root()
{
   TFile file("written_by_root.root", "RECREATE", "", 505);
   ntuple(file);
   tree(file);
   file.Close();
}
