"""What every process needs before it can do its work: settings and logs. Imports none of the other packages."""
