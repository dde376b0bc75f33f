"""Teach language models to read motion-sensor signals: the public names, loaded when used.

Which names there are, and where each stands, is in ``__init__.pyi``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
