"""What every process needs before it can do its work: settings, logs, a guarded way out. Imports none of the others."""
