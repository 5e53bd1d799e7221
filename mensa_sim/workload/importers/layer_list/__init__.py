"""The importer of explicit layer lists."""
