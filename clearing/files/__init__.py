"""Clearing files: layouts as data, one writer and one reader for all of them. Pure. 清算文件"""
