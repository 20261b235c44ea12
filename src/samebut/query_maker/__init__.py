"""From a shop's table of attributes to composed queries. No torch here."""
