"""Reports: tables of figures, and what they look like as XLSX, PDF, CSV and JSON. PURE. 报表"""
