"""From IR to source text: one C-family printer, and the math library it draws on."""
