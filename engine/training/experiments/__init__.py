"""Experiments on the four papers: recipes (`engine.training.recipes`) trained and judged alike, a line each.

material.py   songs as latents, held-out songs, the networks around the denoiser
teach.py      one recipe to one trained network, resumed where it stopped
score.py      what a trained network is worth on held-out songs
prompting.py  music as a prompt, and continuation, through the language model
run.py        the grid: what is finished is not done again
"""
