from __future__ import annotations

import json

import pytest

from massgap.contracts.run_folder import open_run
from massgap.fits.errors import PlaneError
from massgap.fits.plan import FitPlan, PlannedRun
from massgap.fits.planes.cross_sections import own_cross_sections, read_cross_sections, read_masses
from massgap.fits.planes.points import PlanePoint, axes_of, plane_points


def planned(folder):
    return PlannedRun(open_run(folder), FitPlan([("all", "x")]))


def points_of(*masses):
    return [PlanePoint(f"s{i}", m, 1.0) for i, m in enumerate(masses)]


def test_signals_with_masses_of_the_metadata_or_of_a_file(tmp_path, plane_run):
    signals = dict.fromkeys(("p", "q"), (1.0, 1.0, 1.0))
    masses = {"p": {"m": 200.0}, "q": {"m": 100.0}}
    run = planned(plane_run(tmp_path / "run", signals, masses))
    assert [point.process for point in plane_points([run])] == ["q", "p"]
    assert [point.process for point in plane_points([run], wanted=["p"])] == ["p"]
    assert [point.process for point in plane_points([run], wanted=["[p]*"])] == ["p"]
    assert [point.process for point in plane_points([run], wanted=["p", "*"])] == ["q", "p"]
    with pytest.raises(PlaneError, match=r"no signal 'z\*'"):
        plane_points([run], wanted=["z*"])
    # A process that is in two runs is one signal.
    assert len(plane_points([run, run])) == 2
    for name, text in (
        ("masses.csv", "process,m_a,m_b\n# two\np,200,150\nq,300,150\n"),
        ("masses.json", json.dumps({"p": {"m_a": 200, "m_b": 150}, "q": {"m_a": 300, "m_b": 150}})),
    ):
        (tmp_path / name).write_text(text)
        given = read_masses(tmp_path / name)
        assert given == {"p": {"m_a": 200.0, "m_b": 150.0}, "q": {"m_a": 300.0, "m_b": 150.0}}
        found = plane_points([run], given)
        assert [point.masses["m_a"] for point in found] == [200.0, 300.0]
    bare = planned(plane_run(tmp_path / "bare", signals, {}))
    with pytest.raises(PlaneError, match=r"'p' has no masses.*--masses FILE"):
        plane_points([bare])
    with pytest.raises(PlaneError, match=r"no signal 'z'.*--signal.*it has: p, q"):
        plane_points([run], wanted=["z"])
    with pytest.raises(PlaneError, match=r"different kinds of masses.*--masses"):
        plane_points([run], {"p": {"other": 1.0}})
    none = planned(plane_run(tmp_path / "none", {}, {}))
    with pytest.raises(PlaneError, match="has no signal: set is_signal"):
        plane_points([none])


@pytest.mark.parametrize(
    "text", ["process,m\np\n", "process,m\np,1\np,2\n", "m\n3\n", "process,m\np,-1\n", "process,m\np,x\n"]
)
def test_files_of_masses_that_make_no_sense(tmp_path, text):
    (tmp_path / "masses.csv").write_text(text)
    with pytest.raises(PlaneError, match=r"masses\.csv"):
        read_masses(tmp_path / "masses.csv")


def test_own_cross_sections_of_slices_and_parts(tmp_path, plane_run):
    run = planned(plane_run(tmp_path / "run", {"p": (1.0, 1.0, 1.0)}, {"p": {"m": 1.0}}))

    def own(*entries):
        run.run.manifest["datasets"] = {
            str(i): {"process": "p", "is_signal": True, "masses": {"m": 1.0}, "xsec_fb": 2.0, **entry}
            for i, entry in enumerate(entries)
        }
        [point] = plane_points([run])
        return point.own_fb, point.own_error_fb

    # A filter's slices have the cross section of the whole in common, those of phase space add up, and so do parts.
    a, b = {"tranche": {"group": "a"}}, {"tranche": {"group": "b"}}
    assert own({}, {}) == (4.0, 0.0)
    assert own({"hard_xsec_fb": 7.0, "hard_xsec_error_fb": 0.3, **a}, {"hard_xsec_fb": 7.0, **a}) == (
        7.0,
        0.3,
    )
    assert own({"hard_xsec_fb": 7.0, **a}, {"hard_xsec_fb": 1.0, **a}) == (8.0, 0.0)
    assert own({"hard_xsec_fb": 7.0, **a}, {"hard_xsec_fb": 7.0, **b}) == (14.0, 0.0)
    with pytest.raises(PlaneError, match=r"have different masses.*--masses"):
        own({}, {"masses": {"m": 2.0}})


def test_axes():
    axes = axes_of(
        points_of({"m_top": 1.0, "m_b": 0.0}, {"m_top": 2.0, "m_b": 1.0}, {"m_top": 2.0, "m_b": 0.0})
    )
    assert (axes.names, axes.shape, axes.forbidden) == (("m_top", "m_b"), "plane", "y > x")
    assert axes.as_dict()["x"] == {"name": "m_top", "label": r"$m_{\mathrm{top}}$", "unit": "GeV"}
    # The gap says nothing new, and what does not vary spans nothing.
    axes = axes_of(
        points_of(
            {"k": 5.0, "a": 100.0, "gap": 10.0, "b": 90.0},
            {"k": 5.0, "a": 200.0, "gap": 10.0, "b": 190.0},
            {"k": 5.0, "a": 200.0, "gap": 50.0, "b": 150.0},
        )
    )
    assert axes.names == ("a", "gap")
    three = points_of(*({"a": float(i), "b": float(i % 2), "c": float(i % 3)} for i in range(6)))
    with pytest.raises(PlaneError, match=r"vary independently.*--x a --y b"):
        axes_of(three)
    assert axes_of(three, x="b", y="a").names == ("b", "a")
    assert axes_of(three, y="a").names == ("b", "a")
    assert axes_of(three, x="c").names == ("c", "a")
    assert axes_of(three, x="a", y="b").forbidden == "y > x"
    assert axes_of(three, x="b", y="a").forbidden is None
    for x, y, words in (("d", None, "no mass 'd'"), ("a", "a", "twice")):
        with pytest.raises(PlaneError, match=words):
            axes_of(three, x, y)
    assert axes_of(points_of({"a": 3.0})).shape == "point"


def test_two_signals_at_one_place_are_refused_and_named():
    twice = points_of({"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 0.5}, {"a": 1.0, "b": 0.5})
    with pytest.raises(PlaneError, match=r"'s0' and 's2' are the same mass point \(a = 1 GeV.*--signal"):
        axes_of(twice)


def test_cross_sections_by_name_by_masses_and_between(tmp_path):
    points = points_of({"m": 100.0, "c": 10.0}, {"m": 150.0, "c": 10.0}, {"m": 200.0, "c": 10.0})
    (tmp_path / "x.csv").write_text("process, m, fb, uncertainty\ns0,,7,\n,150,2,10%\n,200,1,0.2\n")
    table = read_cross_sections(tmp_path / "x.csv")
    assert [table.of(point) for point in points] == [(7.0, None), (2.0, pytest.approx(0.2)), (1.0, 0.2)]
    # A table that falls as a power of the mass is interpolated exactly.
    entries = [{"masses": {"m": m}, "fb": 1e6 * m**-2.5, "uncertainty": "5%"} for m in (90.0, 140.0, 220.0)]
    document = {"format": "massgap-cross-sections/1", "source": "a test", "sqrt_s_tev": 13, "points": entries}
    (tmp_path / "x.json").write_text(json.dumps(document))
    table = read_cross_sections(tmp_path / "x.json", "mine")
    assert (table.name, table.source, table.sqrt_s_tev) == ("mine", "a test", 13.0)
    for point in points:
        fb, uncertainty = table.of(point)
        assert fb == pytest.approx(1e6 * point.masses["m"] ** -2.5, rel=1e-6)
        assert uncertainty == pytest.approx(0.05 * fb)
    with pytest.raises(PlaneError, match=r"from m = 90 to 220 GeV.*--xsec"):
        table.of(PlanePoint("far", {"m": 300.0}, 1.0))
    with pytest.raises(PlaneError, match=r"none for the signal 'x' \(k = 1 GeV\)"):
        table.of(PlanePoint("x", {"k": 1.0}, 1.0))
    assert own_cross_sections([PlanePoint("s", {}, 3.0, 0.1)]).of(PlanePoint("s", {}, 3.0)) == (3.0, 0.1)
    (tmp_path / "two.csv").write_text("m,fb\n100,1\n100,2\n")
    with pytest.raises(PlaneError, match="2 entries for the signal 's0'"):
        read_cross_sections(tmp_path / "two.csv").of(points[0])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.csv", "process,fb\n", "has no cross sections"),
        ("x.csv", "process\na\n", "has no fb"),
        ("x.csv", "fb\n3\n", "neither a process nor masses"),
        ("x.csv", "process,fb\na,0\n", "0 fb is no signal"),
        ("x.csv", "process,fb\na,-1\n", "at least 0, not '-1'"),
        ("x.csv", "process,fb\na,nan\n", "must be a number"),
        ("x.csv", "process,fb,uncertainty\na,1,many\n", "uncertainty must be a number"),
        ("x.csv", "process,fb\na,1,2\n", "not as many entries"),
        ("x.json", "[]", "format"),
        ("x.json", '{"format": "massgap-cross-sections/1"}', "has no cross sections"),
        ("y.csv", None, "cannot be read"),
    ],
)
def test_cross_sections_that_make_no_sense(tmp_path, name, text, words):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(PlaneError, match=words):
        read_cross_sections(tmp_path / name)
