"""Write the JSON Schemas and the AsyncAPI page anew from the models."""

from messages.schemas import files

for path, text in files().items():
    path.write_text(text, encoding="utf-8")
