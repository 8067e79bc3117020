"""PerceptNet, trained to give photographs back; once, or for every point of a grid."""
