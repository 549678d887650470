"""A fictitious market of vendors, for demonstrations and load tests."""

from gateway.demo.market import VENDORS, DemoPrice, DemoVendor, prices, roster

__all__ = ["VENDORS", "DemoPrice", "DemoVendor", "prices", "roster"]
