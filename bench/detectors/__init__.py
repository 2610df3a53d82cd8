"""How often detectors report what did not happen, and how soon what did: simulated worlds, asked once a day."""
