-- Another method, and a query before the request's own.
function envoy_on_request(handle)
  local context, headers = handle:filterContext(), handle:headers()
  local method, query = context:get("method"), context:get("query")
  if method then headers:replace(":method", method) end
  if query then
    local path = headers:get(":path")
    local at = path:find("?", 1, true)
    headers:replace(":path", at and path:sub(1, at) .. query .. "&" .. path:sub(at + 1) or path .. "?" .. query)
  end
end
