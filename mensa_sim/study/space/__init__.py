"""Design spaces: parameters, conditions and the designs they span."""
