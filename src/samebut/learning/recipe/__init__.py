"""Recipes: what a run trains, checked before anything is done."""
