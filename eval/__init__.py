"""Splits, baselines, predictors, metrics, run folders and reports."""
