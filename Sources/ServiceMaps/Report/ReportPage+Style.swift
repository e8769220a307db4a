extension ReportPage {
  /// Colours are the same in both schemes by name; the list is laid out by a grid, so that each line can
  /// be opened without a script, and lines out of sight cost nothing to draw.
  static let style: StaticString = """
    :root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dfe3e8;--back:#f6f7f9;\
    --card:#fff;--fill:#3b6fd4;--good:#1a7f46;--warn:#9a6400;--bad:#c02b2b;--fair:#1c2430}
    @media(prefers-color-scheme:dark){:root{--ink:#e3e8ef;--soft:#96a2b2;--line:#2d3540;--back:#12161c;\
    --card:#1a2028;--fill:#6f9cf0;--good:#4cc38a;--warn:#e0a82e;--bad:#ff7b72;--fair:#e3e8ef}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--back);color:var(--ink);\
    font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    main{max-width:1240px;margin:0 auto;padding:24px 20px 60px}
    header,section{background:var(--card);border:1px solid var(--line);border-radius:10px;\
    padding:18px 22px;margin-bottom:18px}
    header>div:first-child{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;\
    justify-content:space-between}
    h1{font-size:24px;margin:0}h1 span{font-weight:400;color:var(--soft)}
    h2{font-size:18px;margin:0 0 10px}
    h3{font-size:14px;margin:14px 0 6px;font-weight:600}
    p{margin:0 0 10px}
    code{font:13px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
    code{overflow-wrap:anywhere}
    .note,small,.facts{color:var(--soft)}.facts{font-size:13px;margin:0 0 4px}
    .n{text-align:right;font-variant-numeric:tabular-nums}
    em{font-style:normal;font-weight:600;color:var(--bad)}
    .badge{margin:0;padding:3px 12px;border-radius:99px;border:1px solid;font-weight:600}
    .good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
    dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:8px 20px;margin:14px 0}
    dl div:nth-child(n+5){grid-column:span 2}
    dt{font-size:12px;color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
    .tiles{list-style:none;display:flex;flex-wrap:wrap;gap:6px 30px;margin:0;padding:12px 0 0;\
    border-top:1px solid var(--line);color:var(--soft)}
    .tiles b{display:block;font-size:22px;line-height:1.2;color:var(--ink);\
    font-variant-numeric:tabular-nums}
    .findings{list-style:none;margin:6px 0 10px;padding:0}
    .findings li{display:flex;gap:12px;padding:7px 0;border-top:1px solid var(--line)}
    .findings li:first-child{border:0}.findings p{margin:2px 0 0;color:var(--soft)}
    .findings div{overflow-wrap:anywhere;min-width:0}
    .mark{font-style:normal;font-weight:600;flex:0 0 68px}
    summary{cursor:pointer}
    #health details>summary{color:var(--soft)}
    .bars{list-style:none;margin:0;padding:0;display:grid;\
    grid-template-columns:minmax(0,auto) minmax(60px,1fr) auto;gap:5px 14px;align-items:center}
    .bars li{display:grid;grid-column:1/-1;grid-template-columns:subgrid;align-items:center}
    .bars svg{width:100%;height:14px;display:block}
    .name{overflow-wrap:anywhere}
    .fill{fill:var(--fill);background:var(--fill)}rect.no,.key.no{fill:var(--bad);background:var(--bad)}
    .fair{fill:var(--fair)}
    .key{display:inline-block;width:12px;height:12px;border-radius:2px;vertical-align:-1px}
    .plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));gap:16px}
    figure{margin:0;border:1px solid var(--line);border-radius:8px;padding:12px 14px;min-width:0}
    figcaption{font-size:13px;color:var(--soft);overflow-wrap:anywhere}figcaption b{color:var(--ink)}
    figure svg{width:100%;height:auto;display:block;margin:8px 0}
    figure text{fill:var(--soft);font-size:10px}.axis{stroke:var(--line)}
    ul.ends{list-style:none;display:flex;flex-wrap:wrap;gap:2px 14px;margin:0;padding:0;font-size:13px}
    ul.ends .no{color:var(--bad)}
    .wide{overflow-x:auto}.wide code{white-space:nowrap}
    form{display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center;margin-bottom:10px}
    form[hidden]{display:none}
    input[type=search],select{font:inherit;color:inherit;background:var(--back);\
    border:1px solid var(--line);border-radius:6px;padding:5px 9px}
    .grow{flex:1 1 320px;display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center}
    input[type=search]{flex:1 1 160px;min-width:0}
    output{color:var(--soft);font-size:13px}
    .head,.s>summary{display:grid;gap:4px 14px;padding:7px 4px;\
    grid-template-columns:minmax(0,3fr) 112px minmax(0,3fr) 130px 100px 90px}
    .head{font-size:12px;color:var(--soft);border-bottom:1px solid var(--line)}
    .s{border-bottom:1px solid var(--line);content-visibility:auto;contain-intrinsic-size:auto 38px}
    .s>summary{list-style:none}.s>summary::-webkit-details-marker{display:none}
    .s>summary:hover,.s[open]>summary{background:var(--back)}
    .s[hidden]{display:none}
    .s .name{font-weight:600}
    .where{overflow-wrap:anywhere}
    .dot{display:inline-block;width:9px;height:9px;border-radius:50%;border:2px solid var(--soft);\
    margin-right:9px}
    .dot.good{background:var(--good);border-color:var(--good)}
    .dot.warn{border-color:var(--warn);background:linear-gradient(90deg,var(--warn) 50%,transparent 50%)}
    .dot.bad{border-color:var(--bad)}
    .all{padding:6px 4px 16px 22px}
    .vip{display:inline-block;margin-right:12px;overflow-wrap:anywhere}.vip small{font-weight:400}
    .empty{color:var(--bad);font-weight:600;margin:4px 0}
    table{border-collapse:collapse;width:100%}
    th{text-align:left;font-size:12px;font-weight:400;color:var(--soft)}th.n{text-align:right}
    th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
    tr:last-child td{border:0}
    table.ends td{border:0;padding:2px 18px 2px 0}table.ends{width:auto}
    table.ends td:first-child{min-width:210px}table.ends td:nth-child(2){min-width:120px}
    .in{color:var(--good)}.out{color:var(--warn)}
    .bar{vertical-align:-2px}
    @media(max-width:760px){dl div:nth-child(n+5){grid-column:1/-1}main{padding:10px 8px 40px}header,section{padding:14px;border-radius:8px}
    .head{display:none}.s>summary{display:block}
    .s .name,.where{display:block}.s>summary .n{display:inline-block;margin-right:14px}
    .s>summary .n::before{content:attr(data-l) " ";color:var(--soft);font-size:13px}
    .all{padding-left:4px}
    .bars{grid-template-columns:minmax(40px,1fr) auto}.bars .name{grid-column:1/-1}
    table.ends,table.ends tbody,table.ends tr{display:block}
    table.ends td,table.ends td:first-child,table.ends td:nth-child(2){display:inline-block;min-width:0;\
    padding:1px 10px 1px 0}table.ends tr{padding:3px 0}
    .findings li{display:block}}
    @media print{body{background:none;font-size:11px}main{max-width:none;padding:0}
    header,section{border:0;padding:0 0 10px;background:none}form{display:none}
    .s{content-visibility:visible;break-inside:avoid}.s::details-content{content-visibility:visible;\
    display:block;block-size:auto}figure{break-inside:avoid}}
    """

  /// Finds, sorts and hides; without it the page has everything too. Lines are read when they are first
  /// asked for.
  static let script: StaticString = """
    (function(){var f=document.getElementById("tools");if(!f)return;f.hidden=false;
    var list=document.getElementById("list"),find=document.getElementById("find"),
    sort=document.getElementById("sort"),only=document.getElementById("only"),
    found=document.getElementById("found"),rows=Array.prototype.slice.call(list.children),
    texts=null,timer=0;
    function show(){var words=find.value.toLowerCase().split(/\\s+/).filter(Boolean),n=0;
    if(words.length&&!texts)texts=rows.map(function(r){return r.textContent.toLowerCase()});
    rows.forEach(function(r,i){var on=(!only.checked||r.hasAttribute("data-w"))&&
    words.every(function(w){return texts[i].indexOf(w)>=0});r.hidden=!on;if(on)n++});
    found.textContent=n===rows.length?n+" Services":n+" of "+rows.length}
    function order(){var k=sort.value,by=rows.map(function(r,i){return[i,k==="name"?0:
    -r.getAttribute("data-"+k)]});by.sort(function(a,b){return a[1]-b[1]||a[0]-b[0]});
    var all=document.createDocumentFragment();by.forEach(function(b){all.appendChild(rows[b[0]])});
    list.appendChild(all)}
    find.addEventListener("input",function(){clearTimeout(timer);timer=setTimeout(show,120)});
    only.addEventListener("change",show);sort.addEventListener("change",order);
    f.addEventListener("submit",function(e){e.preventDefault()});show()})();
    """
}
