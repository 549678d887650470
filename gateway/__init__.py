"""Compliance gateway: vendors' users, monthly figures and fees, for the data company to see."""

from importlib.metadata import version

__version__ = version("compliance-gateway")
