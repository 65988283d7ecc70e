import{b as e,o as t,t as n,v as r}from"./jsxRuntime-B0LaWNq0.js";import{J as i,K as a,P as o,V as s,c,d as l,i as u,j as d,l as f,t as p,w as m,y as h}from"./load-DhlQH1G3.js";import{r as g}from"./index-D6s_bKn0.js";var _=[`grafana`,`curl`,`promtool`,`openstack`,`python`,`prometheus`],v=e=>JSON.stringify(e);function y(e){return/^[A-Za-z0-9_./:@%+=-]+$/.test(e)?e:`'${e.replaceAll(`'`,`'\\''`)}'`}function b({url:e,id:t,secret:n}){return{file:`metrics.yaml`,text:`apiVersion: 1
datasources:
  - name: Metrics
    type: prometheus
    access: proxy
    url: ${v(e)}
    basicAuth: true
    basicAuthUser: ${v(t)}
    secureJsonData:
      basicAuthPassword: ${v(n)}
    jsonData:
      httpMethod: POST
`}}function x({url:e,id:t,secret:n}){return{file:null,text:`curl --user ${y(`${t}:${n}`)} ${y(`${e}/api/v1/query`)} \\
  --data-urlencode 'query=ceilometer_cpu'
`}}function S({url:e,id:t,secret:n}){return{file:null,text:`# http.yml
basic_auth:
  username: ${v(t)}
  password: ${v(n)}

# in a shell
promtool query instant --http.config.file=http.yml ${y(e)} 'ceilometer_cpu'
`}}function C({id:e,secret:t}){return{file:null,text:`pip install python-openstackclient 'chrysaetos[cli]'

# clouds.yaml
clouds:
  metrics:
    auth_type: v3applicationcredential
    auth:
      auth_url: "https://KEYSTONE/v3"
      application_credential_id: ${v(e)}
      application_credential_secret: ${v(t)}

# in a shell
openstack --os-cloud metrics metric instant 'ceilometer_cpu'
openstack --os-cloud metrics metric range 'rate(ceilometer_cpu[5m])' --start -3h --plot
`}}function w({url:e,id:t,secret:n}){return{file:null,text:`# pip install chrysaetos
from chrysaetos.client import MetricsClient

client = MetricsClient.direct(
    ${v(e)},
    username=${v(t)},
    password=${v(n)},
)
for sample in client.query_vector("ceilometer_cpu"):
    print(sample.labels, sample.value)
`}}function T({url:e,id:t,secret:n}){let{protocol:r,host:i,pathname:a}=new URL(e),o=a.replace(/\/$/,``);return{file:`prometheus.yml`,text:`scrape_configs:
  - job_name: cloud
    scheme: ${r.replace(`:`,``)}
    honor_labels: true
    metrics_path: ${v(`${o}/federate`)}
    params:
      "match[]": ['{__name__=~"ceilometer_.+"}']
    basic_auth:
      username: ${v(t)}
      password: ${v(n)}
    static_configs:
      - targets: [${v(i)}]
`}}var E={grafana:b,curl:x,promtool:S,openstack:C,python:w,prometheus:T};function D(e,t){return E[e](t)}var O=h.connect,k=86400,A=`••••••••••••`,j=[{value:`90`,text:O.in90},{value:`30`,text:O.in30},{value:`365`,text:O.in365},{value:``,text:O.never}];function M({onCreated:i}){let[a,o]=r(O.nameDefault),[l,u]=r(`90`),[f,h]=r(!1),[g,_]=r(null),v=g instanceof s&&(g.status===403||g.status===409);return n(e,{children:[n(`form`,{class:`credential-form`,onSubmit:e=>{e.preventDefault(),h(!0),_(null),m(a,l?d()+Number(l)*k:null).then(i,e=>{_(e),h(!1)})},children:[n(c,{label:O.name,error:v?t(g.message)||O.conflict:null,children:e=>n(`input`,{...e,value:a,required:!0,maxLength:255,onInput:e=>o(e.currentTarget.value)})}),n(c,{label:O.expires,children:e=>n(`select`,{...e,value:l,onChange:e=>u(e.currentTarget.value),children:j.map(e=>n(`option`,{value:e.value,children:e.text},e.value))})}),n(`button`,{type:`submit`,class:`button primary`,disabled:f,children:f?O.creating:O.create})]}),g===null||v?null:n(p,{error:g})]})}function N({credential:t,onDone:r}){return n(e,{children:[n(l,{kind:`warning`,title:O.onceTitle,children:n(`p`,{children:O.onceHint})}),n(`dl`,{class:`secret`,children:[n(`div`,{children:[n(`dt`,{class:`muted`,children:O.id}),n(`dd`,{children:n(u,{text:t.id,label:O.id})})]}),n(`div`,{children:[n(`dt`,{class:`muted`,children:O.secret}),n(`dd`,{children:n(u,{text:t.secret,label:O.secret})})]})]}),n(`p`,{class:`hint`,children:[O.role,`: `,n(f,{text:t.roles.join(`, `)})]}),n(`div`,{class:`buttons`,children:n(`button`,{type:`button`,class:`button primary`,onClick:r,children:O.done})})]})}function P(){let t=i(o),[s,c]=r(`grafana`),[l,d]=r(null),[f,p]=r(!1);if(t.kind!==`active`)return null;let m={url:a,id:l?.id??`ID`,secret:l?.secret??`SECRET`},h=D(s,m),v=l===null||f?h:D(s,{...m,secret:A});return n(`div`,{class:`connect`,children:[n(`div`,{children:[n(`h1`,{children:O.title}),n(`p`,{class:`muted`,children:O.intro})]}),n(`section`,{class:`card stack`,"aria-label":O.address,children:[n(`h2`,{children:O.address}),n(u,{text:a,label:O.address})]}),n(`section`,{class:`card stack`,"aria-label":O.credentialTitle,children:[n(`div`,{children:[n(`h2`,{children:O.credentialTitle}),n(`p`,{class:`hint`,children:O.credentialHint})]}),t.session.kind===`application_credential`?n(`p`,{children:O.notForCredential}):l===null?n(M,{onCreated:d}):n(N,{credential:l,onDone:()=>{d(null),p(!1)}})]}),n(`section`,{class:`card stack`,"aria-label":O.tools,children:[n(`div`,{class:`tool-tabs`,role:`tablist`,"aria-label":O.tools,children:_.map((e,t)=>n(`button`,{type:`button`,role:`tab`,id:`tool-${e}`,"aria-selected":s===e,"aria-controls":`tool`,tabIndex:s===e?0:-1,onClick:()=>c(e),onKeyDown:n=>{let r=n.key===`ArrowRight`?1:n.key===`ArrowLeft`?-1:0;if(r===0)return;let i=_[(t+r+_.length)%_.length]??e;c(i),document.getElementById(`tool-${i}`)?.focus()},children:O[e]},e))}),n(`div`,{id:`tool`,role:`tabpanel`,"aria-labelledby":`tool-${s}`,class:`stack`,children:[n(`p`,{class:`hint`,children:O[`${s}Hint`]}),l===null?n(`p`,{class:`hint`,children:O.placeholders}):n(e,{children:[n(`p`,{class:`hint`,children:O.inSnippets}),n(`label`,{class:`check`,children:[n(`input`,{type:`checkbox`,checked:f,onChange:e=>p(e.currentTarget.checked)}),O.show]})]}),n(u,{text:h.text,shown:v.text,label:O[s]}),h.file===null?null:n(`div`,{class:`buttons`,children:n(`button`,{type:`button`,class:`button small`,onClick:()=>g(h.file??``,h.text,`text/plain;charset=utf-8`),children:O.download})})]})]})]})}export{P as Connect};