"""Effort: latents refined against what they decode to. Decoders and the format know nothing of it.

An encoder that rounds what its analysis says never looks at the decoded picture. With effort it
does: it decodes, finds how each latent would have to move for the picture to come nearer (a Newton
step), moves it, rounds again with an eye on the rate, and so on. That is proximal gradient descent
(Daubechies, Defrise & De Mol, Comm. Pure Appl. Math. 2004) with rate-distortion optimised rounding
for a proximal step. Latents are whole at every step, so tens of steps do what annealing (Yang,
Bamler & Mandt, "Improving inference for neural image compression", NeurIPS 2020) takes thousands
for.

Which step is kept is decided by real tables and the decoded 8-bit picture, by bits + λ·distortion,
so no file is a worse trade than it was without effort (of a tile that is seen with its neighbours
as analysed, not as decoded). λ is the slope of rate over distortion at the quality that is asked
for (`slope`).

`levels` is where encoding enters; `view` is a tile and what latents decode to there; `guide` says
where latents should go; `descent` goes.
"""
