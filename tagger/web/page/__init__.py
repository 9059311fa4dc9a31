"""The pages that people see are rendered here; the little script that there is only spares them reloading."""
