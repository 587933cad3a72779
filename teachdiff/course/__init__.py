"""Assignments: the library with holes, and the laws that say whether they were filled rightly."""
