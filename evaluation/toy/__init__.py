"""Toy sources: linear, nonlinear and vector quantisers where the best that can be done is known or
nearly so.

Ballé et al., "Nonlinear transform coding", IEEE JSTSP 2021; Wagner & Ballé, "Neural networks
optimally compress the sawbridge", DCC 2021.
"""
