"""The end of a day, worked out from its sums: states and netting. Pure: values in, values out. 日终"""
