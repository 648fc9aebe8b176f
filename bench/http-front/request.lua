wrk.method = "POST"
wrk.body = '{"instances":[[1.5]]}'
wrk.headers["Content-Type"] = "application/json"
local extra = os.getenv("EXTRA_HEADER")
if extra then wrk.headers[extra] = "1" end
