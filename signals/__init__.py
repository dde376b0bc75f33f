"""Recordings of motion sensors: units, readers, cleaning, frames and a simulator."""
