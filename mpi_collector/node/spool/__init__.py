"""The spool: the file on tmpfs that holds a node's recording while it is made."""
