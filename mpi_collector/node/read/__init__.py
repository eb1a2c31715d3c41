"""Read kernel files: the only place in this package where they are opened while sampling."""
