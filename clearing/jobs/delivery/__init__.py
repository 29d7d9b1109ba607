"""Files out to partners and in from them: where they stand, how they get there, what became of each. 文件交换

partners    who gets files where, and where files of partners are found: data, from one TOML file
placing     a file into a folder so that a reader finds the whole of it or none; resumed after a cut
folders     a directory of this machine
sftp        a folder behind SSH, strict about who answers
objects     a bucket
deliver     stored files out, every attempt recorded
"""
