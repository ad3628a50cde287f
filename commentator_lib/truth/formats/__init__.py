"""One small file for each format; `files` knows them all."""
