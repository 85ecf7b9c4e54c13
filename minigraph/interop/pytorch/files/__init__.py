"""Exported models as files: ``.pt`` archives and Python source."""
