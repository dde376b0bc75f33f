"""Recordings turned: into the writing frame, varied, compared by time warping."""
