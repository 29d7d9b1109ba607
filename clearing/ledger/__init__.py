"""Pure: money moves here only. Events and facts in, outcomes and entries out. 账务"""
