"""What people touch. 操作台"""
