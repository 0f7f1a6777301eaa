"""Small event files made of nothing but kinematics, for tests of what reads them."""

from __future__ import annotations

import numpy as np

SCALES = [(mur, muf) for mur in (0.5, 1.0, 2.0) for muf in (0.5, 1.0, 2.0)]


def line(pdg, status, mothers, colours, momentum, mass):
    numbers = " ".join(f"{value:.10e}" for value in (*momentum, mass))
    return f" {pdg} {status} {mothers[0]} {mothers[1]} {colours[0]} {colours[1]} {numbers} 0. 9."


def drell_yan(n, *, weights=1.5, extra=None, seed=1):
    """Events u ubar > Z > mu- mu+ (massless) near the Z mass; ``extra(i, weight)`` gives lines after the particles."""
    random = np.random.default_rng(seed)
    weights = np.broadcast_to(weights, n)
    events = []
    for i in range(n):
        mass, boost = 91.2 * random.uniform(0.95, 1.05), random.uniform(-1, 1)
        cos, phi = random.uniform(-1, 1), random.uniform(-np.pi, np.pi)
        sin, ch, sh = np.sqrt(1 - cos**2), np.cosh(boost), np.sinh(boost)
        px, py, pz, energy = mass / 2 * np.array([sin * np.cos(phi), sin * np.sin(phi), cos, 1.0])
        up, down = mass / 2 * np.exp(boost), mass / 2 * np.exp(-boost)
        lines = [
            f" 5 1 {weights[i]:.10e} {mass:.6e} 7.8e-03 1.18e-01",
            line(2, -1, (0, 0), (501, 0), (0, 0, up, up), 0),
            line(-2, -1, (0, 0), (0, 501), (0, 0, -down, down), 0),
            line(23, 2, (1, 2), (0, 0), (0, 0, up - down, up + down), mass),
            line(13, 1, (3, 3), (0, 0), (px, py, ch * pz + sh * energy, ch * energy + sh * pz), 0),
            line(-13, 1, (3, 3), (0, 0), (-px, -py, -ch * pz + sh * energy, ch * energy - sh * pz), 0),
        ]
        lines += extra(i, weights[i]) if extra else []
        events.append("<event>\n" + "\n".join(lines) + "\n</event>\n")
    return events


def scattering(n, *, annihilate=False):
    """Events u d > u d at 90 degrees with colour flow of a colourless exchange, or u dbar > u dbar by annihilation."""
    d, tags = (-1, [(501, 0), (0, 501), (502, 0), (0, 502)]) if annihilate else (1, [(501, 0), (502, 0)] * 2)
    p, z = (300.0, 0.0, 0.0, 300.0), (0.0, 0.0, 300.0, 300.0)
    lines = [
        " 4 1 1.0 300. 7.8e-03 1.18e-01",
        line(2, -1, (0, 0), tags[0], z, 0),
        line(d, -1, (0, 0), tags[1], (0.0, 0.0, -300.0, 300.0), 0),
        line(2, 1, (1, 2), tags[2], p, 0),
        line(d, 1, (1, 2), tags[3], (-300.0, 0.0, 0.0, 300.0), 0),
    ]
    return ["<event>\n" + "\n".join(lines) + "\n</event>\n"] * n


def pairs(n, one, two, mass, *, energy=500.0, seed=1):
    """Events u ubar > two outgoing particles of one mass (GeV), left undecayed, at random angles."""
    random = np.random.default_rng(seed)
    p = np.sqrt((energy / 2) ** 2 - mass**2)
    events = []
    for _ in range(n):
        boost, cos, phi = random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-np.pi, np.pi)
        sin, ch, sh = np.sqrt(1 - cos**2), np.cosh(boost), np.sinh(boost)
        px, py, pz, e = p * sin * np.cos(phi), p * sin * np.sin(phi), p * cos, energy / 2
        up, down = energy / 2 * np.exp(boost), energy / 2 * np.exp(-boost)
        lines = [
            f" 4 1 1.5 {energy:.6e} 7.8e-03 1.18e-01",
            line(2, -1, (0, 0), (501, 0), (0, 0, up, up), 0),
            line(-2, -1, (0, 0), (0, 501), (0, 0, -down, down), 0),
            line(one, 1, (1, 2), (0, 0), (px, py, ch * pz + sh * e, ch * e + sh * pz), mass),
            line(two, 1, (1, 2), (0, 0), (-px, -py, -ch * pz + sh * e, ch * e - sh * pz), mass),
        ]
        events.append("<event>\n" + "\n".join(lines) + "\n</event>\n")
    return events


def text_of(
    events, *, idwtup=-4, xsec=1.5, error=0.01, header="", beams="2212 2212 6.5e3 6.5e3", processes=None
):
    rows = processes or [(xsec, error, xsec, 1)]
    lines = "\n".join(" ".join(str(value) for value in row) for row in rows)
    return (
        f'<LesHouchesEvents version="3.0">\n<header>\n{header}</header>\n'
        f"<init>\n{beams} 0 0 230000 230000 {idwtup} {len(rows)}\n{lines}\n</init>\n"
        + "".join(events)
        + "</LesHouchesEvents>\n"
    )


def write(path, events, **options):
    path.write_text(text_of(events, **options))
    return path


def weight_block(style):
    """Declaration of nine scale and four PDF weights in the style of a program, with the ids in NanoAOD's order."""
    if style == "madgraph":
        rows = [
            f'<weight id="{10 + i}" MUR="{a}" MUF="{b}" PDF="230000" > MUR={a} MUF={b} </weight>'
            for i, (a, b) in enumerate(SCALES)
        ]
        # other choices of the dynamical scale stand in the same group
        more = [
            '<weight id="5" MUR="2.0" MUF="2.0" DYN_SCALE="1" PDF="230000" > MUR=2.0 MUF=2.0 dyn=1</weight>'
        ]
        pdf = [
            f'<weight id="{40 + k}" MUR="1.0" MUF="1.0" PDF="{230000 + k}" > PDF={230000 + k} MemberID={k} </weight>'
            for k in range(4)
        ]
        groups = [
            "name='Central scale variation' combine='envelope'",
            "name='NNPDF23_nlo' combine='replicas'",
        ]
        ids = [str(10 + i) for i in range(9)], [str(40 + k) for k in range(4)]
    elif style == "powheg":
        rows = [
            f"<weight id='{1001 + i}'> lhapdf=230000 renscfact={fortran(a)} facscfact={fortran(b)} </weight>"
            for i, (a, b) in enumerate(SCALES)
        ]
        more = ["<weight id='5001'> lhapdf=230000 renscfact=1d0 facscfact=2d0 hdamp=272 </weight>"]
        pdf = [
            f"<weight id='{2000 + k}'> lhapdf={230000 + k} renscfact=1d0 facscfact=1d0 </weight>"
            for k in range(1, 4)
        ]
        groups = ["name='scale_variation' combine='None'", "name='PDF_variation' combine='hessian'"]
        ids = [str(1001 + i) for i in range(9)], ["", *(str(2000 + k) for k in range(1, 4))]
    else:
        rows = [f'<weight id="MUR{a:g}_MUF{b:g}_PDF230000"> </weight>' for a, b in SCALES if (a, b) != (1, 1)]
        more = []
        pdf = [f'<weight id="MUR1_MUF1_PDF{230000 + k}"> </weight>' for k in range(4)]
        groups = ["name='a'", "name='b'"]
        # the nominal point is declared once, with the PDF members
        ids = (
            [f"MUR{a:g}_MUF{b:g}_PDF230000" for a, b in SCALES],
            [f"MUR1_MUF1_PDF{230000 + k}" for k in range(4)],
        )
    body = "\n".join(
        [f"<weightgroup {groups[0]}>", *more, *rows, "</weightgroup>", f"<weightgroup {groups[1]}>", *pdf]
    )
    return f"<initrwgt>\n{body}\n</weightgroup>\n</initrwgt>\n", ids


def fortran(value):
    return f"{value:.1e}".replace("e", "d")


def accepted_xsec_fb(lhe, account):
    """Cross section (fb) after matching and filters, and their efficiency, from what became of the weights."""
    efficiency = account.sum_returned / account.sum_usable
    return lhe.xsec_fb * efficiency, efficiency


RUN_CARD = """<MGRunCard>
<![CDATA[
  average = event_norm ! average/sum
  1 = ickkw ! 0 no matching, 1 MLM
  1.0 = alpsfact ! scale factor
  4 = maxjetflavor ! Maximum jet pdg code
  15.0 = xqcut ! minimum kt jet measure between partons
]]>
</MGRunCard>
"""
