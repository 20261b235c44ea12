"""Makes this folder a package, so that its browser and server end with its tests.

A browser driven by Playwright keeps an event loop running: tests elsewhere could start none.
"""
