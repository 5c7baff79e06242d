"""Recipes, one YAML file for each task."""
