"""Read kernel files: while sampling they are opened and read only by the modules of this folder."""
