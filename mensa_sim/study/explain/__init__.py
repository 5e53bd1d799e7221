"""Why a layer stands where it stands."""
