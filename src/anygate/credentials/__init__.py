"""Credentials that have to be fetched and renewed: tokens of Azure and Google, temporary keys of AWS."""
