"""The only SQL: what is kept, read and written in PostgreSQL. 库"""
