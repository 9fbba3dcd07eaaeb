"""Our instruments for Csound: one text a kind, all of whose parameters are i-variables that a patch sets.

Every pitched instrument is `instr 1` with p4 key, p5 the key before, p6 velocity (100 is 1), p7 the note's
place in the list (phases come from it, so that nothing is random). BEFORE makes pitch, envelopes and
cutoff, a kind's text makes aL and aR from them, AFTER lets them out. Table 1 holds the sweep: octaves of
cutoff, 750 a second.
"""

from __future__ import annotations

RATE_HZ = 48_000
BLOCK = 32
PRE_ROLL = 32 * BLOCK
SWEEP_A_SECOND = 750

HEADER = f"""
sr = {RATE_HZ}
ksmps = {BLOCK}
nchnls = 2
0dbfs = 1
seed 20
"""

BEFORE = f"""
giSweep ftgen 1, 0, 0, -23, "sweep.txt"
instr 1
  iphs  = frac(p7 * 0.6180339)
  kpit  linseg p5, iglide + 0.0005, p4, 1, p4
  kvin  linseg 0, 0.25, 0, 0.35, 1, 1, 1
  kvib  poscil ivibcents * 0.01, ivibhz
  kpit  = kpit + kvib * kvin
  kcps  = cpsmidinn(kpit)
  ktime timeinsts
  kidx  = (ktime + p2 - {PRE_ROLL / RATE_HZ:.9f}) * {SWEEP_A_SECOND}
  kswp  tablei (kidx > 0 ? kidx : 0), 1
  kfenv transegr 0, ifatt, 0, 1, ifdec, -4, ifsus, 0.05, 0, ifsus
  kcut  = icut * 2 ^ (kswp + ienvoct * kfenv + iveloct * (p6 - 0.8) + itrack * (p4 - 60) / 12)
  kcut  limit kcut, 40, 14000
  aenv  madsr iatt, idec, isus, irel
"""

AFTER = """
  iamp  = p6 ^ 1.2 * 0.3
  aL    dcblock aL, 0.9995
  aR    dcblock aR, 0.9995
  outs  aL * aenv * iamp, aR * aenv * iamp
endin
"""

_CHORUS = """
  kone  poscil 0.0021, ichohz
  ktwo  poscil 0.0021, ichohz * 1.13, -1, 0.37
  adl   vdelay3 aL, a(kone) * 1000 + 9, 30
  adr   vdelay3 aR, a(ktwo) * 1000 + 11, 30
  aL    = aL + ichomix * adl
  aR    = aR + ichomix * adr
"""

KINDS: dict[str, str] = {
    "acid": """
  aosc  vco2 1, kcps, ishape, 0.5, iphs
  aflt  diode_ladder aosc, kcut, ires, 1, 2
  aL    = tanh(aflt * idrive)
  aR    = aL
""",
    "saw bass": """
  a1    vco2 0.6, kcps, 0, 0.5, iphs
  a2    vco2 0.6, kcps * cent(idet), 0, 0.5, frac(iphs + 0.31)
  a3    poscil isine, kcps, -1, iphs
  aflt  moogladder2 a1 + a2, kcut, ires
  aL    = tanh((aflt + a3) * idrive)
  aR    = aL
""",
    "sub": """
  a1    poscil 1, kcps
  a2    vco2 isaw, kcps, 12, 0.5
  aflt  zdf_2pole a1 + a2, kcut, 0.7
  aL    = tanh(aflt * idrive)
  aR    = aL
""",
    "808": """
  kdrop expseg 2 ^ (idrop / 12), idroptime, 1, 1, 1
  a1    poscil 1, kcps * kdrop
  aL    = tanh(a1 * idrive) / tanh(idrive)
  aR    = aL
""",
    "reese": """
  a1    vco2 0.5, kcps, 0, 0.5, iphs
  a2    vco2 0.5, kcps * cent(idet), 0, 0.5, frac(iphs + 0.29)
  a3    vco2 0.5, kcps * cent(-idet), 0, 0.5, frac(iphs + 0.63)
  a4    poscil isine, kcps
  kwob  poscil iwoboct, iwobhz
  kcw   limit kcut * 2 ^ kwob, 40, 14000
  amid  moogladder2 a1 + 0.5 * (a2 + a3), kcw, ires
  asid  moogladder2 a2 - a3, kcw, ires
  asid  atone asid, 150
  aL    = tanh((amid + a4 + iwide * asid) * idrive)
  aR    = tanh((amid + a4 - iwide * asid) * idrive)
""",
    "fm bass": """
  kind  expseg iindex + 0.01, ifmdec, 0.15 * iindex + 0.01, 1, 0.15 * iindex + 0.01
  a1    foscili 1, kcps, 1, iratio, kind * (0.5 + 0.5 * p6)
  a2    poscil isine, kcps
  aL    = tanh((a1 + a2) * idrive)
  aR    = aL
""",
    "saw lead": """
  a1    vco2 0.5, kcps, 0, 0.5, iphs
  a2    vco2 0.5, kcps * cent(idet), 0, 0.5, frac(iphs + 0.41)
  a3    vco2 0.5, kcps * cent(-idet), 0, 0.5, frac(iphs + 0.77)
  al    moogladder2 a1 + a2 + 0.4 * a3, kcut, ires
  ar    moogladder2 a1 + a3 + 0.4 * a2, kcut, ires
  aL    = tanh(al * idrive)
  aR    = tanh(ar * idrive)
""",
    "square lead": """
  kpw   poscil 0.18 * ipwm, 0.6 + ipwm
  a1    vco2 0.6, kcps, 2, 0.5 + kpw, iphs
  a2    vco2 isub, kcps * 0.5, 10, 0.5, iphs
  aL    moogladder2 a1 + a2, kcut, ires
  aL    = tanh(aL * idrive)
  aR    = aL
""",
    "supersaw": """
  a1    vco2 0.4, kcps, 0, 0.5, iphs
  a2    vco2 0.4, kcps * cent(idet), 0, 0.5, frac(iphs + 0.13)
  a3    vco2 0.4, kcps * cent(-0.9 * idet), 0, 0.5, frac(iphs + 0.29)
  a4    vco2 0.4, kcps * cent(0.6 * idet), 0, 0.5, frac(iphs + 0.47)
  a5    vco2 0.4, kcps * cent(-0.57 * idet), 0, 0.5, frac(iphs + 0.61)
  a6    vco2 0.4, kcps * cent(0.22 * idet), 0, 0.5, frac(iphs + 0.73)
  a7    vco2 0.4, kcps * cent(-0.19 * idet), 0, 0.5, frac(iphs + 0.91)
  al    = a1 + a2 + a5 + a6 + (1 - iwide) * (a3 + a4 + a7)
  ar    = a1 + a3 + a4 + a7 + (1 - iwide) * (a2 + a5 + a6)
  al    atone al, 0.7 * kcps
  ar    atone ar, 0.7 * kcps
  aL    zdf_2pole al, kcut, ires
  aR    zdf_2pole ar, kcut, ires
""",
    "stab": """
  a1    vco2 0.5, kcps, 0, 0.5, iphs
  a2    vco2 0.5, kcps * cent(idet), ishape, 0.4, frac(iphs + 0.37)
  a3    vco2 0.5, kcps * cent(-idet), 0, 0.5, frac(iphs + 0.71)
  aL    moogladder2 a1 + a2, kcut, ires
  aR    moogladder2 a1 + a3, kcut, ires
""",
    "brass": """
  a1    vco2 0.5, kcps, 0, 0.5, iphs
  a2    vco2 0.5, kcps * cent(idet), 0, 0.5, frac(iphs + 0.37)
  a3    vco2 0.5, kcps * cent(-idet), 0, 0.5, frac(iphs + 0.71)
  aL    moogladder2 a1 + a2, kcut, ires
  aR    moogladder2 a1 + a3, kcut, ires
""",
    "pluck": """
  a1    vco2 0.6, kcps, 0, 0.5, iphs
  a2    vco2 0.5, kcps * cent(idet), ishape, 0.35, frac(iphs + 0.43)
  al    zdf_2pole a1 + 0.5 * a2, kcut, ires
  ar    zdf_2pole 0.5 * a1 + a2, kcut, ires
  aL    zdf_2pole al, kcut, 0.6
  aR    zdf_2pole ar, kcut, 0.6
""",
    "saw pad": """
  kpw   poscil 0.3, 0.31, -1, iphs
  a1    vco2 0.4, kcps, 0, 0.5, iphs
  a2    vco2 0.4, kcps * cent(idet), 0, 0.5, frac(iphs + 0.33)
  a3    vco2 ipwm, kcps * cent(-idet), 2, 0.5 + kpw, frac(iphs + 0.66)
  aL    moogladder2 a1 + a2 + a3, kcut, ires
  aR    = aL
""" + _CHORUS,
    "glass pad": """
  kind  linseg iindex, ifmdec, 0.35 * iindex, 1, 0.35 * iindex
  a1    foscili 0.6, kcps, 1, iratio, kind
  a2    foscili 0.6, kcps * cent(idet), 1, iratio + 1, 0.7 * kind
  a3    poscil 0.15, kcps * 4.003, -1, iphs
  aL    = a1 + 0.4 * a2 + a3
  aR    = a2 + 0.4 * a1 - a3
""" + _CHORUS,
    "fm bell": """
  kind  expseg iindex + 0.01, ifmdec, 0.05, 2, 0.01
  a1    foscili 0.7, kcps, 1, iratio, kind * (0.4 + 0.6 * p6)
  a2    foscili 0.25, kcps * 2.005, 1, iratio * 1.4142, 0.6 * kind
  aL    = a1 + a2
  aR    = a1 - 0.5 * a2
""",
    "fm keys": """
  kind  expseg iindex + 0.01, ifmdec, 0.25 * iindex + 0.01, 2, 0.01
  ktin  expseg 0.6, 0.08, 0.01, 1, 0.001
  a1    foscili 0.7, kcps, 1, iratio, kind * (0.3 + 0.7 * p6)
  a2    foscili ktin * itine, kcps, 1, 14, 0.8 * p6
  kpan  poscil itrem, 5.1
  aL    = (a1 + a2) * (1 + kpan)
  aR    = (a1 + a2) * (1 - kpan)
""",
    "organ": """
  kclk  expseg iclick, 0.012, 0.001, 1, 0.0001
  anoi  vco2 1, kcps * 7.3, 0, 0.5, iphs
  klsl  poscil 0.0007 / ileslie, ileslie
  a1    poscil ibar1, kcps * 0.5
  a2    poscil ibar2, kcps
  a3    poscil ibar3, kcps * 1.4983
  a4    poscil ibar4, kcps * 2
  a5    poscil ibar5, kcps * 2.9966
  a6    poscil ibar6, kcps * 4
  a7    poscil ibar7, kcps * 5.9932
  asum  = tanh((a1 + a2 + a3 + a4 + a5 + a6 + a7) * idrive) + kclk * anoi
  aL    vdelay3 asum, a(klsl) * 1000 + 2, 10
  aR    vdelay3 asum, 2 - a(klsl) * 1000, 10
""",
}  # fmt: skip

KIT = """
instr 36
  kenv  expseg 1, gikickdec, 0.001, 1, 0.0001
  kpit  expseg gikicktop, 0.035, gikickhz * 1.5, 0.08, gikickhz, 1, gikickhz
  a1    poscil 1, kpit
  aclk  rand 1, 0.31
  kclk  expseg gikickclick, 0.006, 0.001, 1, 0.0001
  aclk  butterhp aclk, 2000
  aL    = tanh(a1 * kenv * gikickdrive) + aclk * kclk * (0.3 + 0.7 * p4)
  outs  aL * p4, aL * p4
endin
instr 38
  kton  expseg 1, 0.11, 0.001, 1, 0.0001
  kpit  expseg gisnarehz * 1.8, 0.02, gisnarehz, 1, gisnarehz
  a1    poscil 0.6, kpit
  kenv  expseg 1, gisnaredec, 0.001, 1, 0.0001
  anl   rand 1, 0.41
  anr   rand 1, 0.43
  anl   butterhp anl, 900
  anr   butterhp anr, 900
  kcut  = 5000 + 9000 * p4
  al    butterlp 0.7 * anl + 0.3 * anr, kcut
  ar    butterlp 0.7 * anr + 0.3 * anl, kcut
  outs  (a1 * kton + al * kenv * gisnarenoise) * p4, (a1 * kton + ar * kenv * gisnarenoise) * p4
endin
instr 39
  k1    expseg 1, 0.009, 0.05, 0.001, 1, 0.009, 0.05, 0.001, 1, 0.01, 0.1, 0.001, 1, giclapdec, 0.001, 1, 0.0001
  anl   rand 1, 0.51
  anr   rand 1, 0.53
  al    butterbp 0.7 * anl + 0.3 * anr, giclaphz, giclaphz * 1.2
  ar    butterbp 0.7 * anr + 0.3 * anl, giclaphz, giclaphz * 1.2
  outs  al * k1 * p4, ar * k1 * p4
endin
instr 42
  ilen  = p5
  kenv  expseg 1, ilen, 0.001, 1, 0.0001
  a1    vco2 0.3, gihathz, 10
  a2    vco2 0.3, gihathz * 1.4471, 10
  a3    vco2 0.3, gihathz * 1.6170, 10
  a4    vco2 0.3, gihathz * 1.9265, 10
  a5    vco2 0.3, gihathz * 2.5028, 10
  a6    vco2 0.3, gihathz * 2.6637, 10
  anl   rand gihatnoise, 0.61
  anr   rand gihatnoise, 0.63
  amet  = (a1 + a2 + a3 + a4 + a5 + a6) * (1 - gihatnoise)
  al    butterhp amet + anl, gihatcut
  ar    butterhp amet + 0.6 * anl + 0.4 * anr, gihatcut
  outs  al * kenv * p4, ar * kenv * p4
endin
instr 45
  kenv  expseg 1, 0.28, 0.001, 1, 0.0001
  kpit  expseg p5 * 1.5, 0.05, p5, 1, p5
  a1    poscil 1, kpit
  outs  a1 * kenv * p4, a1 * kenv * p4
endin
instr 37
  kenv  expseg 1, 0.035, 0.001, 1, 0.0001
  a1    vco2 0.5, girimhz, 10
  a2    poscil 0.8, girimhz * 1.61
  aL    butterbp a1 + a2, girimhz * 1.5, girimhz
  outs  aL * kenv * p4, aL * kenv * p4
endin
"""
