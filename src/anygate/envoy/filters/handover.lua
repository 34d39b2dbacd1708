-- Has the route chosen again for callers whose requests another rule decides.
function envoy_on_request(handle)
  local context = handle:filterContext()
  local headers = handle:headers()
  local caller = headers:get(context:get("header"))
  local value = caller and context:get("rules")[caller]
  if not value then return end
  headers:replace(context:get("mark"), value)
  handle:clearRouteCache()
end
