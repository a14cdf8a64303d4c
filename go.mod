module openped

go 1.26
