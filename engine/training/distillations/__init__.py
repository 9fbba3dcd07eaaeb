"""The papers' distillations behind one call: `method(trio, example, generator) -> Outcome`.

    consistency.GuidedConsistency   AudioLCM's; with k = 1 and one guidance weight MusicCM's own
    trajectory.Trajectory           DITTO-2's CTM
    adversarial.Adversarial         either with MusicCM's adversary

A method also samples, by its paper's algorithm.
"""
