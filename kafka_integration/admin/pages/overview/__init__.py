from .page import OverviewPage

__all__ = ["OverviewPage"]
