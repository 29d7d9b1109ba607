"""One verb, one file: each tells one flow from top to bottom. 作业"""
