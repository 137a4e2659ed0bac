-- Health of a StreamCluster for Argo CD. Only Stalled says that somebody has to do something. An
-- autoscaler's doings are no progress of a sync: brokers that come and go leave the cluster healthy.

local scaling = { ScalingIn = true, ScalingOut = true }

local function conditions(status)
  local found = {}
  for _, condition in ipairs(status.conditions or {}) do
    found[condition.type] = condition
  end
  return found
end

local function words(condition)
  if condition.message ~= nil and condition.message ~= "" then
    return condition.message
  end
  return condition.reason
end

local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration < obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not looked at this version yet" }
end

local found = conditions(status)
local ready, reconciling, stalled = found.Ready, found.Reconciling, found.Stalled
if ready == nil or reconciling == nil or stalled == nil then
  return { status = "Progressing", message = "the operator has not told all conditions yet" }
end
if stalled.status == "True" then
  return { status = "Degraded", message = words(stalled) }
end
if reconciling.reason == "Paused" then
  return { status = "Suspended", message = words(reconciling) }
end
if ready.status ~= "True" then
  local storage = found.StorageReachable
  if storage ~= nil and storage.status == "False" then
    return { status = "Degraded", message = words(storage) }
  end
  return { status = "Progressing", message = words(ready) }
end
if reconciling.status == "True" and not scaling[reconciling.reason] then
  return { status = "Progressing", message = words(reconciling) }
end
return { status = "Healthy", message = words(ready) }
