"""Where bundles come from: one adapter a module, chosen by `locate.open_source`."""
