"""The pages that people see. Rendered here; the little script that there is only spares them reloading."""
