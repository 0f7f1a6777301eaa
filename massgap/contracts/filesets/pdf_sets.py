"""How the weights of a set of parton densities make one uncertainty, by the number that LHAPDF gives the set.

======================= =====================================================================================
``hessian``             eigenvectors, one member each: root of the sum of squared differences from member 0
``asymmetric``          eigenvectors, two members each: the larger shift of the two to either side, squared and added
``replicas``            replicas of the data: their standard deviation
``envelope``            different sets: the largest and the smallest of them
``hessian+alphas``,     the same, and the last two members are of a lower and a higher alpha_s: half of their difference, added
``replicas+alphas``     in quadrature
======================= =====================================================================================

Source: J. Butterworth et al. (PDF4LHC15), J. Phys. G 43 (2016) 023001, 1510.03865, section 6.2; the envelope: M. Botje et al.
(PDF4LHC), 1101.0538. A data set of a fileset says which it is with ``"pdf_members"``.
"""

from __future__ import annotations

__all__ = ["ALPHAS", "COMBINATIONS", "combination_of"]

ALPHAS = "+alphas"
"""Ends the name of a combination whose last two members are of a lower and a higher alpha_s."""

COMBINATIONS = ("hessian", "hessian+alphas", "asymmetric", "replicas", "replicas+alphas", "envelope")
"""What a data set may say in ``"pdf_members"``."""

_SETS: dict[int, tuple[str, int]] = {
    # Those that NanoAOD keeps (CMSSW, PhysicsTools/NanoAOD/python/genWeightsTable_cfi.py), and the LO sets of MadGraph samples
    306000: ("hessian+alphas", 103),  # NNPDF31_nnlo_hessian_pdfas
    304400: ("hessian", 101),  # NNPDF31_nnlo_as_0118_hessian
    325300: ("hessian+alphas", 103),  # NNPDF31_nnlo_as_0118_mc_hessian_pdfas
    325500: ("hessian", 101),  # NNPDF31_nnlo_as_0118_nf_4_mc_hessian
    316200: ("replicas", 101),  # NNPDF31_nnlo_as_0118_mc
    320900: ("replicas", 101),  # NNPDF31_nnlo_as_0118_nf_4
    260000: ("replicas", 101),  # NNPDF30_nlo_as_0118
    262000: ("replicas", 101),  # NNPDF30_lo_as_0118
    263000: ("replicas", 101),  # NNPDF30_lo_as_0130
    263400: ("replicas", 101),  # NNPDF30_lo_as_0130_nf_4
    247000: ("replicas", 101),  # NNPDF23_lo_as_0130_qed
    292000: ("replicas+alphas", 103),  # NNPDF30_nlo_nf_4_pdfas
    292200: ("replicas+alphas", 103),  # NNPDF30_nlo_nf_5_pdfas
    91400: ("hessian+alphas", 33),  # PDF4LHC15_nnlo_30_pdfas
    90400: ("hessian+alphas", 33),  # PDF4LHC15_nlo_30_pdfas
}
"""LHAPDF number of member 0 -> combination, and number of members."""


def combination_of(first: int, members: int) -> tuple[str, bool] | None:
    """What a list of weights of consecutive members is.

    Parameters
    ----------
    first
        LHAPDF number of the first entry: of member 0, or of member 1 where samples leave out the nominal.
    members
        Length of the list.

    Returns
    -------
    tuple or None
        The combination, and whether the first entry is member 0; None for a set or a length that is not known here.

    Examples
    --------
    >>> combination_of(306000, 103), combination_of(306000, 101), combination_of(260001, 100)
    (('hessian+alphas', True), ('hessian', True), ('replicas', False))
    >>> combination_of(306000, 50), combination_of(1, 101)
    (None, None)
    """
    for number, with_nominal in ((first, True), (first - 1, False)):
        name, full = _SETS.get(number, ("", 0))
        missing = full - members - (not with_nominal)
        if not name:
            continue
        if missing == 0:
            return name, with_nominal
        if missing == 2 and name.endswith(ALPHAS):
            return name.removesuffix(ALPHAS), with_nominal
    return None
