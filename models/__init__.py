"""Networks, losses and calibration; no experiment."""
