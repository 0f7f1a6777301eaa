
import time

import awkward as ak
import hist
from coffea import processor


class Slow(processor.ProcessorABC):
    def process(self, events):
        time.sleep(0.3)
        out = hist.Hist(hist.axis.Regular(20, 0, 200, name="pt"), storage="weight")
        out.fill(ak.flatten(events.Muon.pt), weight=0.1)
        return {"pt": out, "events": len(events)}

    def postprocess(self, accumulator):
        return accumulator
